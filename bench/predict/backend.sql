-- Predictions in a fresh backend, the first and the following ones, of a statement of :size nodes.
SELECT of_:size (:round) AS query \gset
SELECT * FROM predictor.measure(:'query', 1000) \gset m_
SELECT 'p50_' || :size, :round, :m_p50_us;
SELECT 'p99_' || :size, :round, :m_p99_us;
SELECT 'first_' || :size, :round, :m_first_us;
SELECT 'hit_' || :size, :round, :m_hit_us;
SELECT 'nodes_' || :size, :round, :m_nodes;
