-- Lookups by primary key inside the server, so that nobody's protocol is measured. The arms follow in short turns, so
-- that what the machine does meanwhile hits both; the first turns warm up.
SET predictor.limit_superusers = on;
SET predictor.limit_nested = on;
SET predictor.track = 'all';
SET plan_cache_mode = force_generic_plan;
CREATE FUNCTION pg_temp.look_up(times int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN FOR i IN 1 .. times LOOP PERFORM kind FROM item WHERE id = 1 + i * 7919 % 20000; END LOOP; END $$;
CREATE FUNCTION pg_temp.turns(turns int, round int, times int = 2000) RETURNS TABLE (metric text, at int, value float8) LANGUAGE plpgsql AS $$
DECLARE
	arm text;
	begun float8;
BEGIN
	FOR turn IN 1 .. turns LOOP
		arm := CASE (turn + round) % 2 WHEN 0 THEN 'on' ELSE 'off' END;
		PERFORM set_config('predictor.predict_all', arm, false),
			set_config('predictor.max_predicted_time', CASE arm WHEN 'on' THEN '10min' ELSE '0' END, false);
		begun := cpu_ns();
		PERFORM pg_temp.look_up(times);
		IF turn > 4 THEN
			metric := 'lookup_' || arm; at := round; value := (cpu_ns() - begun) / times;
			RETURN NEXT;
		END IF;
	END LOOP;
END $$;
SELECT * FROM pg_temp.turns(64, :round);
