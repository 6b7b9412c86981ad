-- What Timpora has taken over needs to lie here no longer than a month; run it each night.
DELETE FROM inbox WHERE "Processed" AND "UpdatedInDB" < LOCALTIMESTAMP - INTERVAL '30 days';
DELETE FROM sentitems WHERE "UpdatedInDB" < LOCALTIMESTAMP - INTERVAL '30 days';
