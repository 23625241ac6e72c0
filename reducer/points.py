"""What a breakdown of a short video says, written by hand, as questions; and where analyzers put the answers.

A table and nothing else; ``reducer/checklist.py`` holds a document against it.
"""

from __future__ import annotations

from reducer.questions import (
    NO_ANSWER,
    NO_PERSON_MODEL,
    NO_SPEAKER_MODEL,
    NO_WORD_LIST,
    NOT_PARTED,
    TOO_FEW_WORDS,
    VIDEO_MODEL,
    Asked,
    Open,
    Point,
    Source,
    Way,
)


def _in(analyzer: str, path: str, *fields: str, needs: str = "", when_null: Open | None = None) -> Way:
    return Way((analyzer,), path, fields, tuple((name,) for name in needs.split()), when_null=when_null)


def _told(question: str) -> Way:
    """The video language model's answer to one of its questions."""
    return Way(VIDEO_MODEL, "answers", entry=("question", question, "answer"), when_null=NO_ANSWER)


def _likeness(question: str) -> Way:
    """Which of CLIP's sentences on this the pictures are nearest to."""
    return Way(("clip_encoder",), "questions", entry=("question", question, "answers"))


def _never(analyzer: str, why: Open) -> Way:
    return Way((analyzer,), never=why)


def _part(topic: str, *needs: Source) -> Way:
    return Way((), "breakdown/parts", (topic,), needs)


DESCRIPTIONS = Way(VIDEO_MODEL, "segments", ("description",), when_null=NO_ANSWER)
EFFECTS = ("sound_effects", "effects")

POINTS: tuple[Point, ...] = (
    Point(
        "summary",
        "summary",
        "pictures",
        (
            Asked(
                "happens",
                "what happens",
                (Way(VIDEO_MODEL, "description", when_null=NO_ANSWER), _told("what_happens"), DESCRIPTIONS),
            ),
            Asked("who", "who is seen, in words", (_told("who"),)),
            Asked("where", "where", (_told("setting"), _in("background_segmentation", "main_setting"))),
            Asked("format", "format", (Way(VIDEO_MODEL, "format", when_null=NO_ANSWER), _likeness("format"))),
        ),
    ),
    Point(
        "hook",
        "hook (0-3 s)",
        "pictures",
        (
            Asked(
                "shown",
                "what is in the first frame",
                (
                    Way(("temporal_flow",), "hook/shown", needs=(VIDEO_MODEL,), when_null=NO_ANSWER),
                    _in("object_detection", "frames/0"),
                ),
            ),
            Asked("motion", "motion at the first frame", (_in("camera_analysis", "curve/0"),)),
            Asked("contrast", "contrast of the first frame", (_in("temporal_flow", "hook/first_frame/contrast"),)),
            Asked(
                "face",
                "face size in the first frame",
                (_in("temporal_flow", "hook/first_frame/face_area_share", needs="eye_tracking"),),
            ),
            Asked(
                "text",
                "text on the first frame",
                (_in("temporal_flow", "hook/first_frame/texts", needs="text_overlay"),),
            ),
            Asked("strength", "strength, by the elements that are there", (_in("temporal_flow", "hook/strength"),)),
            Asked("grabbers", "attention grabbers with their second", (_in("temporal_flow", "hook/grabbers"),)),
            Asked(
                "spoken",
                "opening statement, spoken",
                (_in("temporal_flow", "hook/spoken", needs="speech_transcription"),),
                ("pictures", "speech"),
            ),
            Asked("written", "opening statement, written", (_in("temporal_flow", "hook/texts", needs="text_overlay"),)),
        ),
    ),
    Point(
        "speech",
        "speech",
        "speech",
        (
            Asked("language", "language", (_in("speech_transcription", "language"),)),
            Asked(
                "direct_address",
                "direct address",
                (_in("speech_transcription", "direct_address", when_null=NO_WORD_LIST),),
            ),
            Asked("speakers", "number of speakers", (_never("speech_transcription", NO_SPEAKER_MODEL),)),
            Asked("pitch", "pitch, mean and range", (_in("speech_flow", "pitch"),)),
            Asked(
                "words_per_minute",
                "words per minute, over time",
                (_in("speech_rate", "curve", "words_per_s", needs="speech_transcription"),),
            ),
            Asked("syllables", "syllables per second, over time", (_in("speech_rate", "curve", "syllables_per_s"),)),
            Asked("tone", "tone of voice", (_in("speech_emotion", "spans"),)),
            Asked("end_tone", "melody at the ends of phrases", (_in("speech_flow", "spans", "end_tone"),)),
            Asked("transcript", "transcript with times", (_in("speech_transcription", "segments"),)),
        ),
    ),
    Point(
        "speech_flow",
        "speech flow",
        "speech",
        (
            Asked("emphasis", "emphasised stretches", (_in("speech_flow", "emphasised"),)),
            Asked(
                "emphasised_words",
                "emphasised words",
                (_in("speech_flow", "emphasised", "words", needs="speech_transcription"),),
            ),
            Asked("pauses", "significant pauses", (_in("speech_flow", "pauses"),)),
            Asked("pauses_follow", "what pauses follow", (_in("speech_flow", "pauses", "follows"),)),
            Asked(
                "pauses_words",
                "words before pauses",
                (_in("speech_flow", "pauses", "follows/text", needs="speech_transcription"),),
            ),
            Asked("peaks", "vocal peaks", (_in("speech_flow", "peaks"),)),
            Asked("rhythm", "rhythm", (_in("speech_flow", "rhythm"),)),
        ),
    ),
    Point(
        "sound",
        "music and sound",
        "sound",
        (
            Asked("music", "music or not", (_in("audio_analysis", "music"), _in("audio_analysis", "shares"))),
            Asked("tempo", "tempo", (_in("audio_analysis", "tempo"),)),
            Asked("key", "key", (_in("audio_analysis", "key"),)),
            Asked("energy", "energy", (_in("audio_analysis", "energy"), _in("audio_analysis", "loudness"))),
            Asked("effects", "sound effects with second and kind", (_in(*EFFECTS),)),
            Asked("effect_names", "what the effects sound like", (_in(*EFFECTS, "name", needs="audio_environment"),)),
            Asked("marks_cut", "effects that mark a cut", (_in(*EFFECTS, "on_a_cut", needs="cut_analysis"),)),
            Asked("marks_text", "effects that mark a text", (_in(*EFFECTS, "text", needs="text_overlay"),)),
            Asked("marks_gesture", "effects that mark a gesture", (_in(*EFFECTS, "gesture", needs="body_pose"),)),
            Asked("surroundings", "sounds of the surroundings", (_in("audio_environment", "events"),)),
        ),
    ),
    Point(
        "editing",
        "editing",
        "pictures",
        (
            Asked("cuts", "cuts", (_in("cut_analysis", "cuts"),)),
            Asked("cuts_per_minute", "cuts per minute", (_in("cut_analysis", "cuts_per_minute"),)),
            Asked("shot_length", "mean shot length", (_in("cut_analysis", "mean_shot_length_s"),)),
            Asked(
                "shot_length_curve",
                "shot lengths over time",
                (_in("cut_analysis", "shots"), _in("temporal_flow", "pacing/curve", needs="cut_analysis")),
            ),
            Asked("jump_cuts", "jump cuts", (_in("cut_analysis", "cuts", "type"), _in("cut_analysis", "cuts_by_type"))),
            Asked("transitions", "kinds of transitions", (_in("cut_analysis", "transitions"),)),
            Asked(
                "on_beats",
                "cuts on beats",
                (_in("temporal_flow", "beat_cuts", needs="cut_analysis audio_analysis"),),
            ),
            Asked("effects", "visual effects", (_in("visual_effects", "effects"),)),
        ),
    ),
    Point(
        "camera",
        "camera",
        "pictures",
        (
            Asked("moves", "moves", (_in("camera_analysis", "spans"),)),
            Asked("steadiness", "steadiness", (_in("camera_analysis", "stability"),)),
            Asked(
                "shot_sizes",
                "shot sizes",
                (_in("composition_analysis", "shot_sizes"), _likeness("shot_size")),
            ),
            Asked(
                "distance",
                "distance changes of the main subject",
                (_in("composition_analysis", "distance_changes"), _in("body_pose", "nearness")),
            ),
        ),
    ),
    Point(
        "body",
        "body",
        "pictures",
        (
            Asked("posture", "posture", (_in("body_pose", "gestures"), _told("body"))),
            Asked("gestures", "gestures", (_in("body_pose", "gestures"), _told("body"))),
            Asked(
                "hands",
                "what the hands do",
                (_in("body_pose", "gestures", "side"), _in("body_pose", "people", "hand_speed"), _told("body")),
            ),
            Asked("nearness", "nearness to the camera", (_in("body_pose", "nearness"),)),
        ),
    ),
    Point(
        "face",
        "face and gaze",
        "pictures",
        (
            Asked("gaze", "where they look", (_in("eye_tracking", "frames", "faces/direction"),)),
            Asked(
                "eye_contact",
                "share of eye contact",
                (_in("eye_tracking", "eye_contact_share"), _in("eye_tracking", "eye_contact")),
            ),
            Asked("blinks", "blinks", (_in("eye_tracking", "tracks", "blinks"),)),
            Asked("eyes", "eyes open, half, closed", (_in("eye_tracking", "frames", "faces/eye_state"),)),
            Asked("expression", "expression", (_told("expression"),)),
        ),
    ),
    Point(
        "place",
        "place",
        "pictures",
        (
            Asked("setting", "setting", (_in("background_segmentation", "settings"), _told("setting"))),
            Asked("heard", "setting as it sounds", (_in("audio_environment", "places"),), ("sound",)),
            Asked(
                "background",
                "objects in the background",
                (_in("background_segmentation", "classes"), _in("object_detection", "classes"), _told("setting")),
            ),
            Asked("changes", "changes of the background", (_in("background_segmentation", "changes"),)),
            Asked("movement", "movement against the camera", (_in("camera_analysis", "curve", "subject"),)),
            Asked("background_movement", "movement in the background alone", (_never("camera_analysis", NOT_PARTED),)),
            Asked("light", "light, natural or artificial", (_likeness("light"), _told("light_and_style"))),
            Asked(
                "light_direction",
                "light direction: the picture's brighter side",
                (_in("color_analysis", "gradient"), _in("color_analysis", "samples", "gradient")),
            ),
            Asked("contrast", "contrast", (_in("color_analysis", "measures/contrast"),)),
            Asked("colours", "colours", (_in("color_analysis", "palette"), _in("color_analysis", "spans", "palette"))),
            Asked("mood", "mood of the colours", (_in("color_analysis", "mood"),)),
            Asked("style", "visual style, in words", (_told("light_and_style"),)),
        ),
    ),
    Point(
        "people",
        "people",
        "pictures",
        (
            Asked(
                "at_once",
                "how many at once",
                (
                    _in("body_pose", "max_people"),
                    _in("eye_tracking", "max_faces"),
                    _in("object_detection", "classes", "max_at_once"),
                ),
            ),
            Asked("in_all", "how many in all", (_told("who"), _never("eye_tracking", NO_PERSON_MODEL))),
            Asked(
                "main_subject",
                "main subject",
                (
                    _in("body_pose", "main_track_id"),
                    _in("object_detection", "main_track_id"),
                    _in("composition_analysis", "frames", "subject"),
                ),
            ),
            Asked("age", "age range", (_in("age_estimation", "persons"),)),
        ),
    ),
    Point(
        "text",
        "on-screen text",
        "pictures",
        (
            Asked("texts", "each text with its span", (_in("text_overlay", "overlays"),)),
            Asked("position", "position", (_in("text_overlay", "overlays", "position", "bounding_box"),)),
            Asked("kind", "kind", (_in("text_overlay", "overlays", "kind"),)),
            Asked("formatting", "size, colour, box, outline, upper case", (_in("text_overlay", "overlays", "look"),)),
            Asked(
                "language",
                "language",
                (
                    _in("text_overlay", "overlays", "language", when_null=TOO_FEW_WORDS),
                    _in("text_overlay", "latin_language"),
                ),
            ),
            Asked("function", "what it does", (_in("text_overlay", "overlays", "function", "calls_to_action"),)),
        ),
    ),
    Point(
        "product",
        "objects and products",
        "pictures",
        (
            Asked("objects", "objects with spans", (_in("object_detection", "classes"),)),
            Asked("position", "position", (_in("object_detection", "frames", "objects/position"),)),
            Asked("prominence", "prominence", (_in("object_detection", "instances", "prominence"),)),
            Asked("products", "products with spans", (_in("product_detection", "products"),)),
            Asked("held", "held", (_in("product_detection", "products", "in_hand"),)),
            Asked("named", "named: seen, read or said", (_in("product_detection", "products", "evidence"),)),
            Asked("use", "used or in the background, in words", (_told("product"),)),
        ),
    ),
    Point(
        "scenes",
        "scene by scene",
        "anything",
        (
            Asked("parts", "parts of 5 s", (Way((), "breakdown/parts"),)),
            Asked("scenes", "scenes", (Way((), "breakdown/scenes", needs=(("scene_segmentation",),)),), ("pictures",)),
            Asked("key_frames", "key frames", (_in("scene_segmentation", "scenes", "key_frame"),), ("pictures",)),
            Asked("action", "action, in words", (_part("action", VIDEO_MODEL),), ("pictures",)),
            Asked("gestures", "postures and gestures", (_part("action", ("body_pose",)),), ("pictures",)),
            Asked("visuals", "key visuals", (_part("visuals", ("object_detection",)),), ("pictures",)),
            Asked("written", "what is written", (_part("written", ("text_overlay",)),), ("pictures",)),
            Asked(
                "camera",
                "camera and editing",
                (_part("camera_and_editing", ("camera_analysis",), ("cut_analysis",)),),
                ("pictures",),
            ),
            Asked("sound", "music and sound", (_part("heard", ("audio_analysis",), ("sound_effects",)),), ("sound",)),
            Asked("said", "what is said", (_part("said", ("speech_transcription",)),), ("speech",)),
            Asked("emotion", "emotion", (_part("emotion", ("speech_emotion",)),), ("speech",)),
        ),
    ),
    Point(
        "story",
        "pacing and story",
        "pictures",
        (
            Asked("energy", "energy curve", (_in("temporal_flow", "energy"),)),
            Asked("parts", "beginning, build, peak, end", (_in("temporal_flow", "story"),)),
            Asked(
                "calls_said",
                "calls to action, spoken",
                (
                    _in("temporal_flow", "calls_to_action", needs="speech_transcription"),
                    _told("call_to_action"),
                ),
                ("pictures", "speech"),
            ),
            Asked(
                "calls_written",
                "calls to action, written",
                (_in("temporal_flow", "calls_to_action", needs="text_overlay"),),
            ),
            Asked("loop", "loop", (_in("temporal_flow", "loop"),)),
        ),
    ),
)
"""In the order of a breakdown; the numbers of its points are their places."""
