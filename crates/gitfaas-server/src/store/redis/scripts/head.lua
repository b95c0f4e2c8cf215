-- Gives a ledger that Redis has lost its head again, which those who have it open know. ARGV after the prefix: the version of
-- the keys, its secret, the epoch.
if redis.call('EXISTS', P .. 'meta') == 0 then
  redis.call('HSET', P .. 'meta', 'owner', 'gitfaas', 'schema', ARGV[2], 'key', ARGV[3], 'epoch', ARGV[4])
end
return {'done'}
