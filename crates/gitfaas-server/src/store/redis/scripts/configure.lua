-- Keeps what the config says of topics. ARGV after the prefix: who, what to tell; topic, and what is said or nothing, for
-- each.
if foreign('gates:config', 'hash') then
  return refuse('gates:config')
end
for n = 4, #ARGV, 2 do
  if ARGV[n + 1] == '' then
    redis.call('HDEL', P .. 'gates:config', ARGV[n])
  else
    redis.call('HSET', P .. 'gates:config', ARGV[n], ARGV[n + 1])
  end
end
tell(ARGV[2], ARGV[3])
return {'done'}
