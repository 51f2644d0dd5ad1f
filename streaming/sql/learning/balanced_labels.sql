-- Each label once; positives wait for the negatives of their age.
SELECT *
FROM BalancedLabels(
  samples => TABLE identified_samples PARTITION BY (sample_id, ad_id),
  label_wait_ms => CAST($label_wait_ms AS BIGINT),
  on_time => DESCRIPTOR(event_time),
  uid => 'balanced-labels'
)
