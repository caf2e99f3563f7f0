"""What text-to-speech is made of: options, how texts become utterances, the step."""
