-- ARGV after the prefix: what they are kept under, names. Answers the record of each.
local found = {}
for n = 3, #ARGV do
  found[#found + 1] = field(ARGV[2] .. ARGV[n], 'record')
end
return found
