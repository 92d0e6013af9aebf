-- Part of the step scripts that grant or renew; needs node.lua. Never run alone. Before any write.
-- ARGV[2] until when the request may take effect, by this node's clock   ARGV[3] how far ahead that may lie: further, it was counted by
-- another server's clock
-- Returns {'late', time} for a request that came behind the release that was to undo it, or may do so.

local timeLeft = ARGV[2] - now
if timeLeft < 0 or ARGV[3] - timeLeft < 0 then
  return { 'late', now }
end
