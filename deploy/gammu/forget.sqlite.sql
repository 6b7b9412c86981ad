-- What Timpora has taken over needs to lie here no longer than a month; run it each night.
DELETE FROM inbox WHERE Processed = 'true' AND UpdatedInDB < datetime('now', '-30 days');
DELETE FROM sentitems WHERE UpdatedInDB < datetime('now', '-30 days');
