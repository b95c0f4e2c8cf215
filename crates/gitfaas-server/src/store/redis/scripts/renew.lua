-- Renews the lease of a life, and that of leading. ARGV after the prefix: who, epoch, for how many milliseconds,
-- and 1 if it may lead.
local who, epoch, lasts, may_lead = ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
local life = 'life:' .. epoch
for key, kind in pairs({[life] = 'string', leader = 'string', lives = 'zset'}) do
  if foreign(key, kind) then
    return refuse(key)
  end
end
-- After a failover that lost its opening, the epoch may have been given to another one.
local holder = redis.call('GET', P .. life)
if holder and holder ~= who then
  return {'taken'}
end
redis.call('SET', P .. life, who, 'PX', lasts)
redis.call('ZADD', P .. 'lives', epoch, epoch)
local leader = redis.call('GET', P .. 'leader')
if leader == who and not may_lead then
  redis.call('DEL', P .. 'leader')
elseif may_lead and (not leader or leader == who) then
  redis.call('SET', P .. 'leader', who, 'PX', lasts)
  leader = who
end
local found = {'held', may_lead and leader == who and 1 or 0}
for _, other in ipairs(redis.call('ZRANGE', P .. 'lives', 0, -1)) do
  if redis.call('EXISTS', P .. 'life:' .. other) == 1 then
    found[#found + 1] = other
  else
    redis.call('ZREM', P .. 'lives', other)
  end
end
-- By this everybody who listens knows that they still hear.
tell(who, 'lease')
return found
