-- What may become of a fire time whose job has a `start_deadline`.
INSERT INTO reasons (status, reason, sentence) VALUES
    ('missed', 'start_deadline', 'it could not begin within the job''s start_deadline');
