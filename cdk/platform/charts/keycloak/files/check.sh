# Keycloak leaves a placeholder without a value as text, and an empty one as an empty secret: neither may reach a realm.
# REQUIRED has the names. The image has bash and little else.
set -u
missing=0
for name in $REQUIRED; do
  value="${!name-}"
  if [[ -z "${value//[[:space:]]/}" || "$value" == *'${'* ]]; then
    echo "the realm needs a value for $name" >&2
    missing=1
  fi
done
exit $missing
