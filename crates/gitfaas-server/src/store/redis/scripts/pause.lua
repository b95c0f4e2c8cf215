-- Keeps since when an operator pauses a topic, or that none does. ARGV after the prefix: who, what to tell, topic, since
-- or nothing.
if foreign('gates:operator', 'hash') then
  return refuse('gates:operator')
end
if ARGV[5] == '' then
  redis.call('HDEL', P .. 'gates:operator', ARGV[4])
else
  redis.call('HSETNX', P .. 'gates:operator', ARGV[4], ARGV[5])
end
tell(ARGV[2], ARGV[3])
return {'done'}
