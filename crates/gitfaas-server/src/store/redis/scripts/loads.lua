-- How many runs are queued and live, of each topic that has such. ARGV after the prefix: a topic, or nothing for all.
local topics, seen, found = {ARGV[2]}, {}, {}
if ARGV[2] == '' then
  topics = redis.call('ZRANGE', P .. 'topics:queued', 0, -1)
  for _, topic in ipairs(redis.call('ZRANGE', P .. 'topics:live', 0, -1)) do
    topics[#topics + 1] = topic
  end
end
for _, topic in ipairs(topics) do
  if not seen[topic] then
    seen[topic] = true
    found[#found + 1] = topic
    found[#found + 1] = redis.call('ZCARD', P .. 'due:' .. topic)
    found[#found + 1] = redis.call('ZCARD', P .. 'live:' .. topic)
  end
end
return found
