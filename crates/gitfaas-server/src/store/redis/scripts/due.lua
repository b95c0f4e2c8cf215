-- Runs that are due in a topic, the longest due first. ARGV after the prefix: topic, until when, how many to leave out,
-- at most.
local places = redis.call('ZRANGEBYSCORE', P .. 'due:' .. ARGV[2], '-inf', ARGV[3], 'LIMIT', ARGV[4], ARGV[5])
local found = {}
for _, place in ipairs(places) do
  local id = run_at(place)
  found[#found + 1] = id
  found[#found + 1] = field('run:' .. id, 'record')
end
return found
