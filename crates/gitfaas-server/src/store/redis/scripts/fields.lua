-- ARGV after the prefix: a key, fields. Answers what each holds.
local found = {}
for n = 3, #ARGV do
  found[#found + 1] = field(ARGV[2], ARGV[n])
end
return found
