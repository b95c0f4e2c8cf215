-- Puts some of what was set aside back into the lines: somebody may have mended it, or a newer program can read it. ARGV after
-- the prefix: at most. Answers whether there is more.
if foreign('topics:aside', 'zset') then
  return refuse('topics:aside')
end
local topic = redis.call('ZRANGE', P .. 'topics:aside', 0, 0)[1]
if not topic then
  return 0
end
local due, line, aside = 'due:' .. topic, 'line:' .. topic, 'aside:' .. topic
for _, set in ipairs({due, line, aside, 'phase:queued', 'topics:queued'}) do
  if foreign(set, 'zset') then
    return refuse(set)
  end
end
local places = redis.call('ZRANGE', P .. aside, 0, ARGV[2] - 1, 'WITHSCORES')
for n = 1, #places, 2 do
  local place, at = places[n], places[n + 1]
  local id = run_at(place)
  redis.call('ZREM', P .. aside, place)
  if redis.call('EXISTS', P .. 'run:' .. id) == 1 then
    redis.call('ZADD', P .. due, at, place)
    redis.call('ZADD', P .. line, 0, place)
    redis.call('ZADD', P .. 'phase:queued', 0, id)
    redis.call('ZADD', P .. 'topics:queued', 0, topic)
  end
end
if redis.call('ZCARD', P .. aside) == 0 then
  redis.call('ZREM', P .. 'topics:aside', topic)
end
return 1
