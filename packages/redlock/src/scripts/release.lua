-- Frees each hold, or vote, and wakes who waits for it. Also for an owner that has nothing here: that undoes a request whose answer was lost.
-- KEYS[1] marker; then for each hold its keys, see hold.lua
-- ARGV[1] see node.lua   ARGV[2..], for each hold: `mode token quiet`: quiet 1 for votes of an attempt that failed
-- Returns for each hold: 1 when it was the owner's, else 0.

-- include node.lua

local replies = {}
local at, arg = 2, 2

-- Locks for which nobody waits, the common case, before anything else is set up.
while ARGV[arg] do
  local owner = match(ARGV[arg], '^x (%x+) ')
  if not owner or call('EXISTS', KEYS[at + 1]) == 1 then
    break
  end
  owner = owner .. ':'
  local held = redis.pcall('GET', KEYS[at])
  if type(held) == 'string' and sub(held, 1, #owner) == owner then
    call('DEL', KEYS[at])
    replies[arg - 1] = 1
  else
    replies[arg - 1] = 0
  end
  at, arg = at + 3, arg + 1
end
if not ARGV[arg] then
  replies[arg - 1] = now
  return replies
end

-- include alone.lua
-- include hold.lua
-- include waiters.lua

for i = arg, #ARGV do
  local mode, owner, quiet = match(ARGV[i], '^(%a) (%x+) ([01])$')
  local k
  k, at = keysOf(mode, at)
  local freed = alone(0, drop, k, mode, owner)
  if freed == 1 then
    -- What was freed is freed, whether or not those who wait can be notified: they look by themselves.
    alone(nil, wake, k, mode, mode, quiet == '1')
  end
  replies[i - 1] = freed
end
replies[#ARGV] = now
return replies
