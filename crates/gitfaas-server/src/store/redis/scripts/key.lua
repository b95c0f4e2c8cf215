-- What was accepted under a key. ARGV after the prefix: key, fingerprint.
if foreign('key:' .. ARGV[2], 'hash') then
  return damaged('key:' .. ARGV[2])
end
local held = redis.call('HMGET', P .. 'key:' .. ARGV[2], 'request', 'fingerprint')
if not held[1] then
  return {'new'}
end
return {held[2] == ARGV[3] and 'repeats' or 'contradicts', held[1]}
