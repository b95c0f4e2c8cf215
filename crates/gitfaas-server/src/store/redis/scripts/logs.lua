-- Keeps the logs of a Job of a try in place of those before, until they are captured. ARGV after the prefix: who, run,
-- try and Job, logs or nothing, try, what to tell.
local run, logs = 'run:' .. ARGV[3], 'logs:' .. ARGV[3]
if foreign(run, 'hash') then
  return damaged(run)
end
if foreign(logs, 'hash') then
  return damaged(logs)
end
if redis.call('EXISTS', P .. run) == 0 then
  return {'none'}
end
if redis.call('HGET', P .. run, 'captured') == ARGV[6] then
  return {'done'}
end
if ARGV[5] == '' then
  redis.call('HDEL', P .. logs, ARGV[4])
else
  redis.call('HSET', P .. logs, ARGV[4], ARGV[5])
end
tell(ARGV[2], ARGV[7])
return {'done'}
