-- All that a key holds: fields and values. ARGV after the prefix: a key.
if foreign(ARGV[2], 'hash') then
  return 0
end
return redis.call('HGETALL', P .. ARGV[2])
