-- Runs that are due in a topic, the longest due first. ARGV after the prefix: topic, until when, how many to leave out,
-- at most. Answers the place of each, and what is held for it.
local places = redis.call('ZRANGEBYSCORE', P .. 'due:' .. ARGV[2], '-inf', ARGV[3], 'LIMIT', ARGV[4], ARGV[5])
local found = {}
for _, place in ipairs(places) do
  found[#found + 1] = place
  found[#found + 1] = field('run:' .. run_at(place), 'record')
end
return found
