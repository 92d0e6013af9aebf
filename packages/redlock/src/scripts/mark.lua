-- Completion marks. A mark is a string: the token of the attempt that set it.
-- KEYS[1] marker   KEYS[2] mark
-- ARGV[1] see node.lua   ARGV[2] what to do: `set token ms`: set it unless it stands; `keep token ms`: let it stand at least so long, if it
--   is this token's; `drop token`: take it away, if it is this token's; `read`
-- Returns {text, the time}: to set and read: who set it, 8 digits of the token, or - when nobody did; to keep and drop: 1 or 0. When the node
--   abstains, to set and read only, the text of acquire.lua.

-- include node.lua

local what, token, ms = match(ARGV[2], '^(%a+) ?(%x*) ?(%d*)$')
if what == 'set' or what == 'read' then
  local why = abstains()
  if why then
    return { why, now }
  end
  if what == 'set' then
    call('SET', KEYS[2], token, 'NX', 'PX', ms)
  end
  return { sub(call('GET', KEYS[2]) or '-', 1, 8), now }
end
if call('GET', KEYS[2]) ~= token then
  return { '0', now }
end
if what == 'drop' then
  call('DEL', KEYS[2])
elseif call('PTTL', KEYS[2]) < tonumber(ms) then
  call('PEXPIRE', KEYS[2], ms)
end
return { '1', now }
