-- Opens a ledger, which is made where there is none. ARGV after the prefix: the version of the keys, a secret for a ledger
-- that is made.
local held = redis.call('TYPE', P .. 'meta').ok
if held ~= 'hash' and held ~= 'none' then
  return {'foreign'}
end
if held == 'none' then
  for _, key in ipairs({'requests', 'phase:queued', 'ended', 'lives'}) do
    if redis.call('EXISTS', P .. key) == 1 then
      return {'headless', P .. key}
    end
  end
  redis.call('HSET', P .. 'meta', 'owner', 'gitfaas', 'schema', ARGV[2], 'key', ARGV[3], 'epoch', 0)
end
local meta = redis.call('HMGET', P .. 'meta', 'owner', 'schema', 'key', 'epoch')
if meta[1] ~= 'gitfaas' then
  return {'foreign'}
end
if not tonumber(meta[2]) or not meta[3] or not tonumber(meta[4]) then
  return {'damaged'}
end
if tonumber(meta[2]) > tonumber(ARGV[2]) then
  return {'newer', meta[2]}
end
return {'open', meta[3], redis.call('HINCRBY', P .. 'meta', 'epoch', 1)}
