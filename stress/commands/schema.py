"""`hyperstress schema`: the JSON Schema of what people write."""

import json

from stress.errors import InputError


def schema_command(kind: str) -> None:
    """Prints the schema of a file kind."""
    from stress.book_schema import BookFile
    from stress.campaign_schema import CampaignFile, ScenarioFile
    from stress.decide.tuning.tuning_schema import TuningFile
    from stress.synth_spec import PopulationFile
    from stress.venue_schema import VenueFile

    kinds = {
        "campaign": CampaignFile,
        "scenario": ScenarioFile,
        "book": BookFile,
        "population": PopulationFile,
        "tuning": TuningFile,
        "venue": VenueFile,
    }
    if kind not in kinds:
        raise InputError("schema", "", repr(kind), ", ".join(kinds))
    print(json.dumps(kinds[kind].model_json_schema(), indent=1))
