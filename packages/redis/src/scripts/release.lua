-- Frees each hold, and whatever else its owner left; wakes who waits for it. Also for an owner that holds nothing: that
-- undoes a request whose answer was lost.
-- KEYS, for each hold: x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2..], for each hold: `mode token last place`: the owner's place in the queue, - if it has
--   none; 1 if it is the manager's last one for this name, else 0
-- Returns for each hold: 1 when it was the owner's, else 0.

-- include clock.lua

local replies = {}
local at, arg = 1, 2

-- Locks for which nobody waits, the common case, before anything else is set up.
while ARGV[arg] do
  local token = string.match(ARGV[arg], '^x (%S+) ')
  if not token or call('EXISTS', KEYS[at + 1]) == 1 then
    break
  end
  token = token .. ':'
  local held = redis.pcall('GET', KEYS[at])
  if type(held) == 'string' and string.sub(held, 1, #token) == token then
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

-- include fence.lua
-- include hold.lua
-- include waiters.lua

local function handOnAfter(k, owner, member, last)
  leave(k, owner, member, last)
  handOn(k)
end

for i = arg, #ARGV do
  local mode, owner, last, member = match(ARGV[i], '^(%a) (%S+) (%d) (.*)$')
  local k
  k, at = keysOf(mode, at)
  local reply = alone(drop, k, mode, owner)
  replies[i - 1] = reply == 'WRONGTYPE' and 0 or reply
  -- What was freed is freed, whether or not the next one can be told: the server may refuse a write for want of memory, or a key of a slot
  -- that is being moved. Whoever waits looks by itself.
  pcall(handOnAfter, k, owner, member, last == '1')
end
replies[#ARGV] = now
return replies
