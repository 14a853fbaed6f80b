"""What alarms look at, as things that were deployed elsewhere; and the templates as plain data."""

import json
from typing import Any

from aws_cdk import App
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds
from aws_cdk.assertions import Template
from constructs import Construct

from cdk.app import CDK_JSON
from cdk.wiring import FUNCTIONS


def bare() -> App:
    """With our feature flags, and without what guards our stacks."""
    return App(context=json.loads(CDK_JSON.read_text())["context"])


def http_api(scope: Construct) -> apigateway.IHttpApi:
    return apigateway.HttpApi.from_http_api_attributes(scope, "Api", http_api_id="a1b2c3")


def functions(scope: Construct) -> dict[str, lambda_.IFunction]:
    return {
        function.name: lambda_.Function.from_function_name(scope, function.name, f"stoa-{function.name}")
        for function in FUNCTIONS
    }


def mappings(scope: Construct) -> dict[str, lambda_.IEventSourceMapping]:
    groups = [f"{function.name}.{source.topic}" for function in FUNCTIONS for source in function.sources]
    return {
        group: lambda_.EventSourceMapping.from_event_source_mapping_id(scope, group, f"uuid-of-{group}")
        for group in groups
    }


def database(scope: Construct) -> rds.IDatabaseInstance:
    return rds.DatabaseInstance.from_database_instance_attributes(
        scope, "Db", instance_identifier="stoa", instance_endpoint_address="db", port=5432, security_groups=[]
    )


def properties(template: Template, kind: str) -> list[dict[str, Any]]:
    return [found.get("Properties", {}) for found in template.find_resources(kind).values()]


def only(template: Template, kind: str) -> dict[str, Any]:
    (found,) = properties(template, kind)
    return found
