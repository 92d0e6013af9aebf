-- Keeps each hold for another while, never shorter than it has; puts it back where it was lost and nobody else has come.
-- KEYS[1] marker; then for each hold its keys, see hold.lua
-- ARGV[1] see node.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4..], for each hold: `mode token c T ttl rest repair slots label`: c under which this node's vote counts, 0 for none; rest: for how
--   many ms its holder counts on it in any case; slots - but for p
-- Returns for each hold a text: 1 when it stands under c; c<c> when it stands under another c, or was put back: it counts the next time,
--   as somebody may have been here in between; 0 when it does not stand, nor anybody's as its keys hold something else.

-- include node.lua
-- include deadline.lua
-- include alone.lua
-- include hold.lua

local why, asked = nil, false

local function extend(k, mode, owner, c, token, ttl, rest, repair, slots, label)
  sweep(k)
  local stands, had = found(k, mode, owner)
  if stands then
    prolong(k, mode, owner, had, ttl, rest)
    raise(k, token)
    return stands == c and '1' or 'c' .. stands
  end
  if repair ~= '1' then
    return '0'
  end
  if not asked then
    why, asked = abstains(), true
  end
  local last = not why and lastOf(k.fence)
  if not last or obstacle(k, mode, slots) then
    return '0'
  end
  local new = text(math.max(last + 1, token))
  call('SET', k.fence, new)
  place(k, mode, owner, new, slots, ttl, label)
  return 'c' .. new
end

local replies = {}
local at = 2
for i = 4, #ARGV do
  local mode, owner, c, token, ttl, rest, repair, slots, label =
    match(ARGV[i], '^(%a) (%x+) (%d+) (%d+) (%d+) (%d+) ([01]) (%S+) (.*)$')
  local k
  k, at = keysOf(mode, at)
  replies[i - 3] = alone('0', extend, k, mode, owner, c, tonumber(token), tonumber(ttl), tonumber(rest), repair, slots, label)
end
replies[#ARGV - 2] = now
return replies
