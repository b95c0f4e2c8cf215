-- How many members sets have. ARGV after the prefix: sets.
local found = {}
for n = 2, #ARGV do
  found[#found + 1] = redis.call('ZCARD', P .. ARGV[n])
end
return found
