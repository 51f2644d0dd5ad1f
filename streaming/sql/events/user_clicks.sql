-- First clicks within the attribution window.
CREATE TEMPORARY VIEW user_clicks AS
SELECT user_id, ad_id, ts
FROM joined
WHERE `output` = 'ENGAGEMENT' AND kind = 'CLICK'
