-- One question to the engine, on the connection that this backend keeps.
SELECT 'engine_us', :round, round_trip_ms * 1000 FROM predictor.check_engine();
