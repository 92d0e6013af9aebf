-- Keeps each hold for another while, never shorter than it has; puts it back where it was lost and nobody else has come.
-- KEYS[1] marker; then for each hold its keys, see hold.lua
-- ARGV[1] see node.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4..], for each hold: `mode token c T ttl repair slots label`: c under which this node's vote counts, 0 for none; slots - but for p
-- Returns for each hold a text: 1 when it stands under c; c<c> when it stands under another c, or was put back: it counts the next time,
--   as somebody may have been here in between; 0 when it does not stand.

-- include node.lua
-- include deadline.lua
-- include hold.lua

local replies = {}
local at = 2
local why, asked = nil, false
for i = 4, #ARGV do
  local mode, owner, c, token, ttl, repair, slots, label = match(ARGV[i], '^(%a) (%x+) (%d+) (%d+) (%d+) ([01]) (%S+) (.*)$')
  token, ttl = tonumber(token), tonumber(ttl)
  local k
  k, at = keysOf(mode, at)
  sweep(k)
  local stands, had = found(k, mode, owner)
  if stands then
    prolong(k, mode, owner, had, ttl)
    raise(k, token)
    replies[i - 3] = stands == c and '1' or 'c' .. stands
  else
    replies[i - 3] = '0'
    if repair == '1' then
      if not asked then
        why, asked = abstains(), true
      end
      local last = not why and lastOf(k.fence)
      if last and not obstacle(k, mode, slots) then
        local new = text(math.max(last + 1, token))
        call('SET', k.fence, new)
        place(k, mode, owner, new, slots, ttl, label)
        replies[i - 3] = 'c' .. new
      end
    end
  end
end
replies[#ARGV - 2] = now
return replies
