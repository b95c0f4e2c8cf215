-- A request's runs in the config's order: the id and record of each. ARGV after the prefix: request.
local runs = field('request:' .. ARGV[2], 'runs')
if type(runs) ~= 'string' then
  return runs
end
local found = {}
for id in string.gmatch(runs, '%S+') do
  found[#found + 1] = id
  found[#found + 1] = field('run:' .. id, 'record')
end
return found
