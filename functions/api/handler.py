"""HTTP through API Gateway -> FastAPI. Answers at once; everything slow goes through Kafka."""

from mangum import Mangum

from functions.api.app import build

handler = Mangum(build(), lifespan="off")
