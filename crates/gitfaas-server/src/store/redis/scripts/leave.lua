-- Gives the leases of a life back. ARGV after the prefix: who, epoch.
local life = 'life:' .. ARGV[3]
if redis.pcall('GET', P .. life) == ARGV[2] then
  redis.call('DEL', P .. life)
  redis.pcall('ZREM', P .. 'lives', ARGV[3])
end
if redis.pcall('GET', P .. 'leader') == ARGV[2] then
  redis.call('DEL', P .. 'leader')
end
tell(ARGV[2], 'lease')
return {'done'}
