-- The topics that have queued runs, with the first due of each and its record.
local found = {}
for _, topic in ipairs(redis.call('ZRANGE', P .. 'topics:queued', 0, -1)) do
  local first = redis.call('ZRANGE', P .. 'due:' .. topic, 0, 0)[1]
  if first then
    found[#found + 1] = topic
    found[#found + 1] = run_at(first)
    found[#found + 1] = field('run:' .. run_at(first), 'record')
  end
end
return found
