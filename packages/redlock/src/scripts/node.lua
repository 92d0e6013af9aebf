-- The state of the node itself.
-- KEYS[1] marker   KEYS[2..] fences to be looked at
-- ARGV[1] see include/node.lua   ARGV[2] what to do: `look`; `greet`: no more than to answer; `open`: let it vote at once, if it has no marker; `close`: undo that
-- Returns {{run id, run id in the marker or '', maxTtlMs in the marker or 0, ms of quarantine left, microseconds of the clock,
--   1 when it was opened or closed, else 0,
--   how many of the fences hold none}, the time}.

-- include node.lua

local run = match(call('INFO', 'server'), 'run_id:(%x+)')
local marker = call('GET', KEYS[1])
local opened = run .. ' ' .. MAX_TTL .. ' 0'
local done = 0
if ARGV[2] == 'open' and not marker then
  marker = opened
  call('SET', KEYS[1], marker)
  done = 1
elseif ARGV[2] == 'close' and marker == opened then
  marker = false
  call('DEL', KEYS[1])
  done = 1
end
local broken = 0
for i = 2, #KEYS do
  if not lastOf(KEYS[i]) then
    broken = broken + 1
  end
end
local known, maxTtl, over = match(marker or '', '^(%x+) (%d+) (%d+)$')
return { { run, known or '', tonumber(maxTtl or 0), math.max(0, tonumber(over or 0) - now), text(micros), done, broken }, now }
