"""Surveys: the variables that a template asks for, with types and limits."""

from typing import Any

from local.emulators.awx.answers import Json

TEXTS = ("text", "textarea", "password")


def answers_of(template: Json, given: Json) -> tuple[Json, list[str]]:
    """The survey's variables with defaults filled in, and what is wrong with them."""
    if not template["survey_enabled"]:
        return {}, []
    answers: Json = {}
    problems: list[str] = []
    for question in (template.get("survey_spec") or {}).get("spec", []):
        name = question["variable"]
        if name in given:
            answers[name] = given[name]
            problems += _problems(question, name, given[name])
        elif question.get("required"):
            problems.append(f"'{name}' value missing")
        elif question.get("default") not in (None, ""):
            answers[name] = question["default"]
    return answers, problems


def _problems(question: Json, name: str, value: Any) -> list[str]:
    kind = question.get("type", "text")
    if kind in TEXTS:
        if not isinstance(value, str):
            return [f"Value {value} for '{name}' expected to be a string."]
        return _limits(question, name, value, len(value), "length is ")
    if kind in ("integer", "float"):
        if isinstance(value, bool) or not isinstance(value, int if kind == "integer" else int | float):
            return [f"Value {value} for '{name}' expected to be a numeric type."]
        return _limits(question, name, value, value, "")
    choices = question.get("choices") or []
    choices = choices.splitlines() if isinstance(choices, str) else choices
    chosen = value if isinstance(value, list) else [value]
    return [f"Value {one} for '{name}' expected to be one of {choices}." for one in chosen if one not in choices]


def _limits(question: Json, name: str, value: Any, size: float, word: str) -> list[str]:
    low, high = question.get("min"), question.get("max")
    if low not in (None, "") and size < int(low):
        return [f"'{name}' value {value} is too small ({word}{size} must be at least {low})."]
    if high not in (None, "") and size > int(high):
        return [f"'{name}' value {value} is too large ({word}{size} must be no more than {high})."]
    return []
