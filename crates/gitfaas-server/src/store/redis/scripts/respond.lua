-- Keeps an answer, unless a newer one is kept. ARGV after the prefix: who, run, when, what is said of it, the answer,
-- what to tell.
local run, response = 'run:' .. ARGV[3], 'response:' .. ARGV[3]
if foreign(run, 'hash') then
  return damaged(run)
end
if foreign(response, 'hash') then
  return damaged(response)
end
if redis.call('EXISTS', P .. run) == 0 then
  return {'none'}
end
local at = tonumber(redis.call('HGET', P .. response, 'at') or '')
if not at or tonumber(ARGV[4]) >= at then
  redis.call('HSET', P .. response, 'at', ARGV[4], 'meta', ARGV[5], 'body', ARGV[6])
end
tell(ARGV[2], ARGV[7])
return {'done'}
