# Start a server in the background: the command returns when it answers, and prints the first token.
novaql serve --data metrics --listen 127.0.0.1:0 --daemon > started
trap 'novaql serve --data metrics --stop' EXIT
url=$(grep -o 'http://.*' started)
token=$(grep -o 'nova_admin_.*' started)

curl -sf "$url/api/v1/import/prometheus" -H "Authorization: Bearer $token" --data-binary 'up 1'
novaql query up --data "$url" --token "$token" --format csv | grep ',1,up$'
