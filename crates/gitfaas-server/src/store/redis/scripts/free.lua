-- Takes runs whose records are damaged from the slots of a topic. ARGV after the prefix: topic; run and what is held for
-- it, or nothing, of each.
local live = 'live:' .. ARGV[2]
if foreign(live, 'zset') then
  return refuse(live)
end
local freed = 0
for n = 3, #ARGV, 2 do
  local held = field('run:' .. ARGV[n], 'record')
  if type(held) ~= 'string' or held == ARGV[n + 1] then
    freed = freed + redis.call('ZREM', P .. live, ARGV[n])
  end
end
return freed
