-- The answers of a request's runs in the config's order: the run, what is said of the answer, and it. ARGV after the
-- prefix: request.
local runs = field('request:' .. ARGV[2], 'runs')
local found = {}
for id in string.gmatch(type(runs) == 'string' and runs or '', '%S+') do
  local meta = field('response:' .. id, 'meta')
  if meta then
    found[#found + 1] = id
    found[#found + 1] = meta
    found[#found + 1] = field('response:' .. id, 'body')
  end
end
return found
