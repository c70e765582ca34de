"""Training of Reg2RG models. Nothing in the inference path imports this package.

In the order data flows:

    config, number_types, legacy_config       the YAML configuration: its fields, their numbers, former option names
    datasets, radgenome, samples              phantoms or a folder of CTs and reports, turned into training cases
    case_cache                                prepared cases on disk
    tokenizers, initialization                the model that training starts from
    patches, collation, losses                patches around findings, packed texts, and what is minimized
    feature_cache                             the outputs of a frozen vision transformer on disk
    module, trainer                           what one stage trains, and its loop on the Hugging Face Trainer
    calibration                               what is fitted after training
    plot, model_card                          the loss curves and the card of the result
    run                                       a complete, resumable training run, from configuration to model folder
"""
