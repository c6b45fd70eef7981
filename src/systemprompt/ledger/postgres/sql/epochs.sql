-- The epochs of the server's history.

-- name: enter_epoch
SELECT enter_epoch(:over) AS epoch
