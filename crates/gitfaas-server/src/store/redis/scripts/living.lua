-- How many servers hold a lease.
local found = 0
for _, epoch in ipairs(redis.call('ZRANGE', P .. 'lives', 0, -1)) do
  found = found + redis.call('EXISTS', P .. 'life:' .. epoch)
end
return found
