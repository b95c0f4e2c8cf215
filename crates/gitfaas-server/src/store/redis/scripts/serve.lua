-- Keeps what is served, with its sources. ARGV after the prefix: who, what to tell, what is served; name and text of each
-- source.
for _, key in ipairs({'catalog', 'sources'}) do
  if foreign(key, 'hash') then
    return refuse(key)
  end
end
local kept = {}
for n = 5, #ARGV, 2 do
  kept[ARGV[n]] = true
end
redis.call('HSET', P .. 'catalog', 'live', ARGV[4])
-- Written also where it should be there already: one that was damaged is whole again.
for n = 5, #ARGV, 2 do
  redis.call('HSET', P .. 'sources', ARGV[n], ARGV[n + 1])
end
for _, name in ipairs(redis.call('HKEYS', P .. 'sources')) do
  if not kept[name] then
    redis.call('HDEL', P .. 'sources', name)
  end
end
tell(ARGV[2], ARGV[3])
return {'done'}
