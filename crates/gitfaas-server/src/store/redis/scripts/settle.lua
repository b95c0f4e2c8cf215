-- Replaces a run's record, if it is still the one that is said, and its places in the indexes. ARGV after the prefix:
-- who, whether it is sent once more, run, request, topic, record before and after, manifests or nothing, when it ended,
-- whether it is a dead letter, the try whose logs are captured or nothing, whether its request's end may have changed, how
-- many of the topic may be live or nothing, whether the topic's line or slots change, what to tell, how many places it leaves; set and member of each, then set,
-- score and member of each place it takes.
local who, again, id, topic = ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local before, after, manifests = ARGV[7], ARGV[8], ARGV[9]
local ended, dead, captured, ends = ARGV[10], ARGV[11], ARGV[12], ARGV[13]
local most, lines = ARGV[14], ARGV[15]
local run, request = 'run:' .. id, 'request:' .. ARGV[5]
local leaves = 18
local takes = leaves + tonumber(ARGV[17]) * 2

if foreign(run, 'hash') then
  return damaged(run)
end
for _, set in ipairs((most ~= '' or lines == '1') and {'due:' .. topic, 'live:' .. topic} or {}) do
  if foreign(set, 'zset') then
    return refuse(set)
  end
end
local held = redis.call('HGET', P .. run, 'record')
if again == '1' and held == after then
  return {'done'}
end
if most ~= '' and redis.call('ZCARD', P .. 'live:' .. topic) >= tonumber(most) then
  return {'full'}
end
if not held then
  return {'none'}
end
if held ~= before then
  return {'differs', held}
end
for n = leaves, takes - 1, 2 do
  if foreign(ARGV[n], 'zset') then
    return refuse(ARGV[n])
  end
end
for n = takes, #ARGV, 3 do
  if foreign(ARGV[n], 'zset') then
    return refuse(ARGV[n])
  end
end
for _, set in ipairs(lines == '1' and {'topics:queued', 'topics:live'} or {}) do
  if foreign(set, 'zset') then
    return refuse(set)
  end
end
for _, set in ipairs(ends == '1' and {'ended', 'ended:dead'} or {}) do
  if foreign(set, 'zset') then
    return refuse(set)
  end
end

-- A request is over when each of its runs is, and as late as the last of them; one that cannot be read is not over.
local over, last, letters = true, ended, dead == '1'
if ends == '1' then
  local runs = field(request, 'runs')
  over = type(runs) == 'string' and ended ~= ''
  for other in string.gmatch(over and runs or '', '%S+') do
    if other ~= id then
      local at = field('run:' .. other, 'ended')
      if type(at) ~= 'string' or at == '' then
        over = false
        break
      end
      if tonumber(at) > tonumber(last) then
        last = at
      end
      letters = letters or field('run:' .. other, 'dead') == '1'
    end
  end
end

for n = leaves, takes - 1, 2 do
  redis.call('ZREM', P .. ARGV[n], ARGV[n + 1])
end
redis.call('HSET', P .. run, 'record', after, 'ended', ended, 'dead', dead, 'captured', captured)
if manifests ~= '' then
  redis.call('HSET', P .. run, 'manifests', manifests)
end
for n = takes, #ARGV, 3 do
  redis.call('ZADD', P .. ARGV[n], ARGV[n + 1], ARGV[n + 2])
end
if lines == '1' then
  for topics, set in pairs({['topics:queued'] = 'due:', ['topics:live'] = 'live:'}) do
    if redis.call('ZCARD', P .. set .. topic) > 0 then
      redis.call('ZADD', P .. topics, 0, topic)
    else
      redis.call('ZREM', P .. topics, topic)
    end
  end
end
if ends == '1' then
  redis.call('ZREM', P .. 'ended', ARGV[5])
  redis.call('ZREM', P .. 'ended:dead', ARGV[5])
  if over then
    redis.call('ZADD', P .. (letters and 'ended:dead' or 'ended'), last, ARGV[5])
  end
end
tell(who, ARGV[16])
return {'done'}
