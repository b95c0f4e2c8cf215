-- Walks sets by name, from a bound to another. ARGV after the prefix: what the records are kept under, or nothing for
-- members alone, whether backwards, from, to, at most, sets. Answers the members of each set with their records.
local kind, command, first, last = ARGV[2], 'ZRANGEBYLEX', ARGV[4], ARGV[5]
if ARGV[3] == '1' then
  command, first, last = 'ZREVRANGEBYLEX', ARGV[5], ARGV[4]
end
local found = {}
for n = 7, #ARGV do
  local members = redis.call(command, P .. ARGV[n], first, last, 'LIMIT', 0, ARGV[6])
  local listed = {}
  for _, member in ipairs(members) do
    listed[#listed + 1] = member
    if kind ~= '' then
      listed[#listed + 1] = field(kind .. member, 'record')
    end
  end
  found[#found + 1] = listed
end
return found
