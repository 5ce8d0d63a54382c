# Telegraf and others write line protocol: to the path of InfluxDB 1 with a user and a password, and
# to that of InfluxDB 2 with a token.
now=$(date +%s)

curl -sf "$NOVA_URL/query?u=telegraf&p=$NOVA_TOKEN" --data-urlencode 'q=CREATE DATABASE telegraf'
curl -sf "$NOVA_URL/write?db=telegraf&u=telegraf&p=$NOVA_TOKEN&precision=s" \
    --data-binary "cpu,host=a usage_user=12.5,usage_system=3i $now"
curl -sf "$NOVA_URL/api/v2/write?bucket=telegraf&precision=s" -H "Authorization: Token $NOVA_TOKEN" \
    --data-binary "cpu,host=b usage_user=20 $now"

novaql query 'sum by (host) (cpu_usage_user)' --data "$NOVA_URL" --format csv > cpu.csv
grep ',12.5,a$' cpu.csv
grep ',20,b$' cpu.csv
