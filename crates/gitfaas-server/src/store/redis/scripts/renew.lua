-- Renews the lease of a life, and that of leading. ARGV after the prefix: who, epoch, for how many milliseconds, 1 if it may
-- lead, by what the ledger is known. Answers which epoch it has from now on, whether it leads, and who lives.
local who, epoch, lasts, may_lead = ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
if redis.call('EXISTS', P .. 'meta') == 0 then
  return {'headless'}
end
if known_by() ~= ARGV[6] then
  return {'another'}
end
for key, kind in pairs({['life:' .. epoch] = 'string', leader = 'string', lives = 'zset'}) do
  if foreign(key, kind) then
    return refuse(key)
  end
end
-- What lost its last moments has forgotten that it gave this epoch, and may have given it to another one.
local last = tonumber(redis.call('HGET', P .. 'meta', 'epoch') or '') or 0
local holder = redis.call('GET', P .. 'life:' .. epoch)
if holder and holder ~= who then
  epoch = tostring(math.max(last, tonumber(epoch)) + 1)
end
if tonumber(epoch) > last then
  redis.call('HSET', P .. 'meta', 'epoch', epoch)
end
local life = 'life:' .. epoch
redis.call('SET', P .. life, who, 'PX', lasts)
redis.call('ZADD', P .. 'lives', epoch, epoch)
local leader = redis.call('GET', P .. 'leader')
if leader == who and not may_lead then
  redis.call('DEL', P .. 'leader')
elseif may_lead and (not leader or leader == who) then
  redis.call('SET', P .. 'leader', who, 'PX', lasts)
  leader = who
end
local found = {'held', epoch, may_lead and leader == who and 1 or 0}
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
