-- Sets damaged runs of a topic's line aside, where they count for nothing, until a server begins its life. ARGV after the
-- prefix: topic; place in the line and what is held for its run, or nothing, of each. Answers how many it were.
local topic = ARGV[2]
local due, line, aside = 'due:' .. topic, 'line:' .. topic, 'aside:' .. topic
for _, set in ipairs({due, line, aside, 'phase:queued', 'topics:queued', 'topics:aside'}) do
  if foreign(set, 'zset') then
    return refuse(set)
  end
end
local count = 0
for n = 3, #ARGV, 2 do
  local place = ARGV[n]
  local id = run_at(place)
  local held, at = field('run:' .. id, 'record'), redis.call('ZSCORE', P .. due, place)
  if at and (type(held) ~= 'string' or held == ARGV[n + 1]) then
    redis.call('ZREM', P .. due, place)
    redis.call('ZREM', P .. line, place)
    redis.call('ZREM', P .. 'phase:queued', id)
    redis.call('ZADD', P .. aside, at, place)
    count = count + 1
  end
end
if count > 0 then
  redis.call('ZADD', P .. 'topics:aside', 0, topic)
end
if redis.call('ZCARD', P .. due) == 0 then
  redis.call('ZREM', P .. 'topics:queued', topic)
end
return count
