-- Writes a request with its runs, or nothing. ARGV after the prefix: who, whether it is sent once more, request, topic,
-- key, fingerprint, the score until which nothing may be due in the topic's line, room in the topic and in all, how many
-- are queued, what to tell, by what the ledger is known, the request's record, its payload, the ids of its runs, how
-- many; a run's id, record, manifests, and when it ended, for each; then set, score and member of each place in an index.
local who, again, id, topic = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key, fingerprint, received = ARGV[6], ARGV[7], ARGV[8]
local room, room_in_all, queued = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local count, first = tonumber(ARGV[17]), 18
local places = first + count * 4
local request = 'request:' .. id

if again == '1' and field(request, 'record') == ARGV[14] then
  return {'new'}
end
if known_by() ~= ARGV[13] then
  return {'gone'}
end
if key ~= '' then
  if foreign('key:' .. key, 'hash') then
    return damaged('key:' .. key)
  end
  local held = redis.call('HMGET', P .. 'key:' .. key, 'request', 'fingerprint')
  if held[1] then
    return {held[2] == fingerprint and 'repeats' or 'contradicts', held[1]}
  end
end
if redis.call('EXISTS', P .. request) == 1 then
  return {'taken', request}
end
for n = first, places - 1, 4 do
  if redis.call('EXISTS', P .. 'run:' .. ARGV[n]) == 1 then
    return {'taken', 'run:' .. ARGV[n]}
  end
end
local seen = {}
for n = places, #ARGV, 3 do
  local set = ARGV[n]
  if not seen[set] then
    if foreign(set, 'zset') then
      return refuse(set)
    end
    seen[set] = true
  end
end
if received ~= '' then
  if foreign('due:' .. topic, 'zset') then
    return refuse('due:' .. topic)
  end
  if redis.call('ZCOUNT', P .. 'due:' .. topic, '-inf', received) > 0 then
    return {'behind'}
  end
end
if queued > 0 then
  -- What is queued has a place in both, so they have been looked at.
  if redis.call('ZCARD', P .. 'due:' .. topic) + queued > room then
    return {'full', 'topic'}
  end
  if redis.call('ZCARD', P .. 'phase:queued') + queued > room_in_all then
    return {'full', 'all'}
  end
end

redis.call('HSET', P .. request, 'record', ARGV[14], 'payload', ARGV[15], 'runs', ARGV[16], 'key', key)
if key ~= '' then
  redis.call('HSET', P .. 'key:' .. key, 'request', id, 'fingerprint', fingerprint)
end
for n = first, places - 1, 4 do
  redis.call('HSET', P .. 'run:' .. ARGV[n], 'record', ARGV[n + 1], 'manifests', ARGV[n + 2], 'ended', ARGV[n + 3])
end
for n = places, #ARGV, 3 do
  redis.call('ZADD', P .. ARGV[n], ARGV[n + 1], ARGV[n + 2])
end
tell(who, ARGV[12])
return {'new'}
